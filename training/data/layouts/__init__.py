"""Manifests of folders that have none: each module knows one layout."""
