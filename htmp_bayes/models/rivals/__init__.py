"""The laws that HTMP competes with, under the same likelihood of counts."""
