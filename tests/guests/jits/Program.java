// tests/guests/jits/Program.java - work that makes HotSpot compile with both of its compilers; each line is a name, milliseconds and a sum.
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;

public class Program {
    interface Shape { double area(); }
    record Square(double a) implements Shape { public double area() { return a * a; } }
    record Circle(double r) implements Shape { public double area() { return 3.0 * r * r; } }
    record Sum(Shape a, Shape b) implements Shape { public double area() { return a.area() + b.area(); } }

    static void report(String name, Callable<Object> run) throws Exception {
        long start = System.nanoTime();
        Object sum = run.call();
        System.out.println(name + " " + (System.nanoTime() - start) / 1000000 + " " + sum);
    }

    static long hash(byte[] data) {
        long h = 0xcbf29ce484222325L;
        for (byte b : data)
            h = (h ^ b & 0xff) * 0x100000001b3L;
        return h;
    }

    public static void main(String[] words) throws Exception {
        int turns = words.length > 0 ? Integer.parseInt(words[0]) : 1;

        report("hash", () -> {
            byte[] data = new byte[1 << 16];
            long sum = 0;
            for (int t = 0; t < 60 * turns; t++) {
                data[t % data.length]++;
                sum += hash(data);
            }
            return sum;
        });
        report("map", () -> {
            HashMap<String, Integer> map = new HashMap<>();
            for (int i = 0; i < 200000 * turns; i++)
                map.merge("key" + i * 7919L % 10007, 1, Integer::sum);
            return map.entrySet().stream().mapToLong(e -> (long) e.getKey().hashCode() * e.getValue()).sum();
        });
        report("shapes", () -> { // one class, then two, then three: code that was compiled for fewer is thrown away
            double total = 0;
            Shape shape = new Square(1);
            for (int i = 0; i < 600000 * turns; i++) {
                if (i % 1000 == 999)
                    shape = i < 200000 ? new Square(i) : i < 400000 ? new Circle(i) : new Sum(new Square(i), new Circle(i % 17));
                total += shape.area() % 1000;
            }
            return (long) total;
        });
        report("matrix", () -> {
            int n = 120;
            double[][] a = new double[n][n], b = new double[n][n], c = new double[n][n];
            for (int i = 0; i < n; i++)
                for (int j = 0; j < n; j++) {
                    a[i][j] = i + j;
                    b[i][j] = i - j;
                }
            for (int t = 0; t < 3 * turns; t++)
                for (int i = 0; i < n; i++)
                    for (int j = 0; j < n; j++) {
                        double s = 0;
                        for (int k = 0; k < n; k++)
                            s += a[i][k] * b[k][j];
                        c[i][j] += s;
                    }
            return (long) Arrays.stream(c).flatMapToDouble(Arrays::stream).sum();
        });
        report("threads", () -> {
            AtomicLong sum = new AtomicLong();
            ConcurrentHashMap<Integer, Integer> map = new ConcurrentHashMap<>();
            Thread[] threads = new Thread[4];
            for (int t = 0; t < threads.length; t++) {
                int mine = t;
                threads[t] = new Thread(() -> {
                    for (int i = 0; i < 50000 * turns; i++) {
                        sum.addAndGet(i ^ mine);
                        map.merge(i % 1009, 1, Integer::sum);
                        synchronized (threads) { sum.incrementAndGet(); }
                    }
                });
                threads[t].start();
            }
            for (Thread thread : threads)
                thread.join();
            return sum.get() + map.values().stream().mapToLong(i -> i).sum();
        });
        report("sort", () -> {
            long[] data = new long[300000 * turns];
            long seed = 42;
            for (int i = 0; i < data.length; i++)
                data[i] = seed = seed * 6364136223846793005L + 1442695040888963407L;
            Arrays.sort(data);
            Object[] boxed = Arrays.stream(data).limit(50000).mapToObj(Long::toHexString).sorted(Comparator.reverseOrder()).toArray();
            return data[data.length / 2] + " " + boxed[7];
        });
        report("traps", () -> { // null pointers and divisions by zero, which HotSpot finds by signals
            int caught = 0;
            String[] strings = { "a", null, "ccc" };
            for (int i = 0; i < 300000 * turns; i++)
                try {
                    caught += strings[i % 100 == 99 ? 1 : i % 2 * 2].length() + 10 / (i % 1000 == 500 ? 0 : 1);
                } catch (NullPointerException e) {
                    caught += 3;
                } catch (ArithmeticException e) {
                    caught += 5;
                }
            return caught;
        });
    }
}
