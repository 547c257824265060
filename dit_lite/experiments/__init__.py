"""The recorded results of the book, one file each, in a folder per chapter. To add
one, add its file: `all_experiments` finds it.
"""
