"""What can be proved of a ledger from hashes and signatures alone: pure, over bytes and integers."""
