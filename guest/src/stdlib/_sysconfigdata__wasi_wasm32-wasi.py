"""What zoneinfo asks the build for: where time zones are. The real file describes the machine that built the guest."""

build_time_vars = {"TZPATH": "/usr/share/zoneinfo"}
