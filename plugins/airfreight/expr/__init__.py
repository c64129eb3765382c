"""The expression language: expr-lang 1.17 and the ``${{ }}`` templates around it.

Here belong the grammar, the immutable tree, its check and evaluation, the built-in functions and the
rules of templates. What an image, a Warehouse or a Promotion is does not: callers inject functions
(`airfreight.expr.functions.Function`) and variables, and get values of `airfreight.expr.values` back.
"""
