"""Files from elsewhere: what is needed, whether it is here, fetching it; not what is in them."""
