"""The session on MQTT: what it tells a broker, and how it is watched from there."""
