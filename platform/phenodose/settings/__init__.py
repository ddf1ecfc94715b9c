"""Settings: a screen's screen.toml, a site's site.toml, and what they say of plugins."""
