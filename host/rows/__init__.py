"""Which rows of which batch: latents, conditioning and lists cut to them."""
