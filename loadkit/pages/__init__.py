"""What is looked at in a browser: pages of one file, with their charts, made from what a run left.

What is measured and judged comes from elsewhere: here it is only cut, drawn and put into words.
"""
