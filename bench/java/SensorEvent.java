import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;

/** Reads a SensorEvent's Avro in place; arrays in one block each, as all our writers make them. */
final class SensorEvent {
    private byte[] body;
    private int position;
    private int times;
    private boolean oneTime;
    private int values;
    private int counts;
    long start;

    /** Begin with a message, up to its tags. */
    void open(byte[] message) {
        body = message;
        position = 5; // Confluent's framing
        for (int i = 0; i < 3; i++) { // asset, source, session
            int length = (int) readLong();
            position += length;
        }
        readLong(); // sequence
        start = readLong();
        readLong(); // ingest
    }

    /** Whether the tags are encoded so; if they are, they are behind us. */
    boolean skipTags(byte[] encoding) {
        int end = position + encoding.length;
        if (end > body.length || !Arrays.equals(body, position, end, encoding, 0, encoding.length)) {
            return false;
        }
        position = end;
        return true;
    }

    /** Read the tags; gives their encoding. */
    byte[] readTags(List<String> tags) {
        int from = position;
        int n = (int) readLong();
        for (int i = 0; i < n; i++) {
            int size = (int) readLong();
            tags.add(new String(body, position, size, StandardCharsets.UTF_8));
            position += size;
        }
        position++;
        return Arrays.copyOfRange(body, from, position);
    }

    /** Find the columns behind the tags; gives the number of tags, whose counts are read next. */
    int findColumns() {
        int from = position;
        int n = (int) readLong();
        counts = position;
        for (int i = 0; i < n; i++) {
            readLong();
        }
        position++;
        int number = (int) readLong();
        oneTime = number == 1;
        times = position;
        position += 8 * number + 1;
        int serverTimes = (int) readLong();
        position += serverTimes > 0 ? 8 * serverTimes + 1 : 0;
        number = (int) readLong();
        values = position;
        position += 8 * number + 1;
        if (n <= 0 || number <= 0 || body.length - position != 3) {
            throw new IllegalStateException("no samples, or texts, kinds, quality: not used here");
        }
        position = counts;
        return n;
    }

    /** The next tag's number of samples. */
    int nextCount() {
        return (int) readLong();
    }

    long time(int i) {
        return start + (long) (double) Moments.DOUBLE.get(body, oneTime ? times : times + 8 * i);
    }

    double value(int i) {
        return (double) Moments.DOUBLE.get(body, values + 8 * i);
    }

    private long readLong() {
        long result = 0;
        int shift = 0;
        byte b;
        do {
            b = body[position++];
            result |= (long) (b & 127) << shift;
            shift += 7;
        } while (b < 0);
        return (result >>> 1) ^ -(result & 1);
    }
}
