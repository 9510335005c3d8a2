"""Copy number as segments of the genome: the formats, the assembly and the units of each, and what becomes of them."""
