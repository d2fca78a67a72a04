"""Laws, layers and models against each other: contrasts of what fits found, and the contest of laws."""
