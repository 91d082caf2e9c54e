"""Benchmarks: `./run bench NAME`. Each prints ratios against something in the same run."""
