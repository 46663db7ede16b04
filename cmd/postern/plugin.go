package main

func pluginVerbs() []verb {
	return []verb{
		{"new", "begin a plugin in Go, C, Rust or Python", (*cli).pluginNew},
		{"build", "build a plugin, with its description in it", (*cli).pluginBuild},
		{"check", "say what a plugin has and wants, and whether it can be used", (*cli).pluginCheck},
		{"call", "call a function of a plugin, as an agent would", (*cli).pluginCall},
	}
}

func (c *cli) plugin(args []string) int {
	return c.group("plugin COMMAND", "Makes and tries plugins, whose functions a policy gives to Python with [tool.NAME].", pluginVerbs(), args)
}
