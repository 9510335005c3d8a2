"""How a site ends: it leaves a study, and erases what it kept of it."""
