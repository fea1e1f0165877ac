"""What several tests share: servers, proxies, small worlds."""
