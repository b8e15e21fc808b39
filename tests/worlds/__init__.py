"""Random worlds: histories of each scheme's subjects, and ledgers of all kinds, by seed or by hypothesis."""
