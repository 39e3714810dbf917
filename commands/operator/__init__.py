"""Commands for operating the server: INFO, CONFIG, DEBUG, MEMORY, LATENCY, COMMAND."""
