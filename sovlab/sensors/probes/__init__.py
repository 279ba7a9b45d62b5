"""One module a family of devices: how its probes read it. Each holds a `SENSOR`."""
