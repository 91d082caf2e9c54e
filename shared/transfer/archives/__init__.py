"""Files that leave Lamina and come back: archives, backups, and rows of other programs.

What is read here is untrusted: every byte is checked before anything is done with it, and
nothing that could run code (pickles, FAISS files) is ever opened.
"""
