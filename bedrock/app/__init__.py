"""The skin all servers share: command line, configuration, logs, metrics, shell, supervisor."""
