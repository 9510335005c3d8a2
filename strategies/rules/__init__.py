"""How the updates of one modality become one."""
