"""What an audit finds: planted bias, twins, gaps between active and inactive users, a million lists."""
