"""Speed, measured side by side; each file is a command. fairscale, too, installs a package of this name."""
