"""What the checker does not see yet, held by a test: it may only get less."""

NOT_UNDERSTOOD = {"network_closures", "network_octave"}
NAN_ROWS = {"attention_course", "attention_heads", "attention_loop", "attention_plain", "attention_slow"}
NOT_NAMED: set[tuple[str, str]] = set()
