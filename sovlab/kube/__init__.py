"""What sovlab knows of Kubernetes.

Only `sovlab.kube.transport.connection` imports the Kubernetes client; objects are plain dicts, as the API
server has them. What can be a pure function of such dicts is one (`objects`, most of `reading`), so that it
can be read and tested without a cluster.
"""
