"""The metrics of minirec beside those of installed peers, on the same random lists: `python -m benchmarks.peers_tests`."""
