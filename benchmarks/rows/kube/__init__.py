"""What is measured on a cluster; without a kubeconfig on the fake one of the tests."""
