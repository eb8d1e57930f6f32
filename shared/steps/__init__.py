"""The life of a batch. Read it in this order:

create ► prepare ► submit ► check ► collect ► finish      cancel winds a batch up early, sweep finds what was lost

A step reads the documents, decides from what is there, acts, and moves the state in one transaction that fails where
somebody else was faster. Any step may be run again at any time, and may die between any two instructions.
"""
