import java.time.Duration;
import java.util.List;
import java.util.Properties;
import org.apache.avro.generic.GenericRecord;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;

/** Prints the samples of sensor events: asset, tag, time in microseconds since 1970, value, status code. */
public final class ReadSensors {
    private static final int TEXT = 1;

    /** Takes Kafka's bootstrap servers, the registry's URL, a consumer group and a topic; reads for ever. */
    public static void main(String[] arguments) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", arguments[0]);
        settings.put("group.id", arguments[2]);
        settings.put("auto.offset.reset", "earliest");
        settings.put("isolation.level", "read_committed");
        settings.put("key.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
        settings.put("value.deserializer", "io.apicurio.registry.serde.avro.AvroKafkaDeserializer");
        settings.put("apicurio.registry.url", arguments[1]);
        settings.put("apicurio.registry.as-confluent", true);
        settings.put("apicurio.registry.use-id", "contentId");
        try (KafkaConsumer<String, GenericRecord> consumer = new KafkaConsumer<>(settings)) {
            consumer.subscribe(List.of(arguments[3]));
            while (true) {
                for (ConsumerRecord<String, GenericRecord> record : consumer.poll(Duration.ofSeconds(1))) {
                    print(record.value());
                }
            }
        }
    }

    /** An event holds samples in columns: the first counts[0] are of tags[0], and so on. */
    private static void print(GenericRecord event) {
        List<?> tags = column(event, "tags");
        List<?> counts = column(event, "counts");
        List<?> kinds = column(event, "kinds");
        List<?> texts = column(event, "texts");
        List<?> values = column(event, "values");
        List<?> offsets = column(event, "offsets");
        List<?> quality = column(event, "quality");
        long start = (Long) event.get("start");
        int at = 0;
        for (int tag = 0; tag < tags.size(); tag++) {
            boolean text = !kinds.isEmpty() && (Integer) kinds.get(tag) == TEXT;
            for (int end = at + (Integer) counts.get(tag); at < end; at++) {
                double number = (Double) values.get(at);
                boolean known = !Double.isNaN(number);
                Object value = text && known ? texts.get((int) number) : number;
                long time = start + ((Double) of(offsets, at)).longValue();
                int status = quality.isEmpty() ? 0 : (Integer) of(quality, at);
                System.out.printf("%s\t%s\t%d\t%s\t%08x%n", event.get("asset"), tags.get(tag), time, value, status);
            }
        }
    }

    /** A column of length 1 stands for all samples. */
    private static Object of(List<?> column, int at) {
        return column.get(column.size() == 1 ? 0 : at);
    }

    private static List<?> column(GenericRecord event, String name) {
        return (List<?>) event.get(name);
    }
}
