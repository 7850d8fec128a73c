/* Mandelbrot set: writes a picture as binary PPM (P6) to stdout.
 *
 * Usage: mandelbrot [WIDTH [HEIGHT [ITERATIONS]]]   (640 480 256 if absent) */
#include <stdio.h>
#include <stdlib.h>

#define SIDE_MAX 8192
#define ITERATIONS_MAX 1000000

static long argument(int argc, char **argv, int index, long otherwise, long most) {
    if (argc <= index) {
        return otherwise;
    }
    char *end;
    long value = strtol(argv[index], &end, 10);
    if (*end != '\0' || value < 1 || value > most) {
        fprintf(stderr, "mandelbrot: argument %d is `%s`, but must be from 1 to %ld\n", index,
                argv[index], most);
        exit(2);
    }
    return value;
}

/* Iterations until the point leaves the circle of radius 2; `most` if it does not. */
static long escape_time(double x, double y, long most) {
    double a = 0, b = 0, a2 = 0, b2 = 0;
    long n = 0;
    while (n < most && a2 + b2 <= 4.0) {
        b = 2 * a * b + y;
        a = a2 - b2 + x;
        a2 = a * a;
        b2 = b * b;
        n++;
    }
    return n;
}

int main(int argc, char **argv) {
    long width = argument(argc, argv, 1, 640, SIDE_MAX);
    long height = argument(argc, argv, 2, 480, SIDE_MAX);
    long most = argument(argc, argv, 3, 256, ITERATIONS_MAX);
    /* The view is 3 wide, centred at -0.75, with square pixels. */
    double step = 3.0 / (double)width;
    printf("P6\n%ld %ld\n255\n", width, height);
    for (long row = 0; row < height; row++) {
        for (long column = 0; column < width; column++) {
            double x = -2.25 + ((double)column + 0.5) * step;
            double y = ((double)height / 2 - (double)row - 0.5) * step;
            long n = escape_time(x, y, most);
            if (n == most) {
                putchar(0), putchar(0), putchar(0);
            } else {
                /* Smooth polynomials that run from dark blue over white to brown. */
                double t = (double)n / (double)most, s = 1 - t;
                putchar((int)(9 * s * t * t * t * 255));
                putchar((int)(15 * s * s * t * t * 255));
                putchar((int)(8.5 * s * s * s * t * 255));
            }
        }
    }
    return 0;
}
