"""Speed, scaling, latency and cold start of minirec beside its peers: `python -m benchmarks --help`."""
