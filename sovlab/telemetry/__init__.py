"""A site's Prometheus, read: the history of a job's power, and a second opinion on what it measured itself.

Only reads, by HTTP GET. What the server says is data: bounded, typed, never executed. Labels and names are
looked up at the server, not assumed; what it does not have is told with the reason. Joules that two exporters
measured of the same device stand side by side and are never added.
"""
