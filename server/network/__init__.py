"""What stands between the sites and the SuperLink: gateway, certificates, and who speaks for whom."""
