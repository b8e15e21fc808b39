"""What keeps an installation: upgrades of ledgers that earlier versions made."""
