"""Single images: made small for the eye, and the body that they show."""
