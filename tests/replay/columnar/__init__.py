"""Sealed segments and the compiled rules that run over them."""
