"""What the checker does not see yet, held by a test: it may only get less."""

# A row with nothing to attend to is nan in these, which is said of them.
NAN_ROWS = {"attention_course", "attention_heads", "attention_loop", "attention_plain", "attention_slow"}
NOT_NAMED = {
    ("network_octave", "regularisation_gradient"),
}
