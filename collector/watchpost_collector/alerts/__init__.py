"""Alert rules: what a person writes, the one SQL it becomes, and what its rows say.

A rule file becomes `Rule`s and `Contact`s (`rule_file`, `contact`), a rule a `Statement`
(`compiling`), the statement's rows become `Finding`s (`finding`). Nothing here opens a connection:
whoever can run SQL over the rollups can evaluate, now or for any moment of the past.
"""
