"""Policies compared: on the plant with a clock that is moved by hand, and on recorded history."""
