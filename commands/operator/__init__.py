"""Commands for whoever runs the server: INFO, CONFIG, DEBUG, MEMORY, LATENCY, COMMAND."""
