"""Who comes in and what they may: tokens, certificates, rules, and the kubeconfig that holds them."""
