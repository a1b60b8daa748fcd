"""The arithmetic of Driftline: values in, values out; no clock, network, file, log or asyncio."""
