import { addWords } from '#/lib/words';
import schedules from '#/words/schedules.json';

addWords(schedules);
