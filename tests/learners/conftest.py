# Learners' files are read by tests, not collected: importing one would run its training.
collect_ignore_glob = ["attention_*", "network_*"]
