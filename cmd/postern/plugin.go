package main

func (c *cli) plugin(args []string) int {
	return c.group("plugin COMMAND", "Works on plugins, whose functions a policy can make tools of.", []verb{
		{"call", "call a function of a plugin, as an agent would", (*cli).pluginCall},
	}, args)
}
