"""What goes on behind the API: controllers that bring the cluster to what its objects say."""
