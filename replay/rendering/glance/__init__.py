"""The rules of a scheme at a glance: sections of rows, in which each figure bears what it rests on."""
