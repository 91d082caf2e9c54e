module example.org/producer

go 1.19
