from mtf.cli import main

main()
