"""A Freight's alias: two words that a person can say, read off the Freight's name.

Kargo draws its aliases at random. Ours follow from the name, so that two machines that discover one
Freight at the same moment call it the same. A changed list changes the aliases of Freight to come;
those in the register stay.
"""

from __future__ import annotations

import hashlib

_ADJECTIVES = """
able active agile airy alert amber ample amused ancient arctic ardent artful atomic august autumn
aware azure balanced balmy bashful basic beaming beloved blazing blissful blithe bold bonny bouncy
brainy brave breezy bright brilliant brisk bronze bubbly buoyant busy calm candid careful caring
casual cheerful chief chilly chipper choice civic civil classic clean clear clever cloudy coastal
cobalt colorful comfy content cool copper coral cordial cosmic cosy courtly crafty creamy crimson
crisp crystal curious curly daily dainty dapper daring dashing dawning dazzling dear decent deep
deft dewy diligent direct distant dizzy dreamy driven dutiful dynamic eager early earnest earthy
easy eastern elated electric elegant eminent emerald endless epic equal ethical even exact excited
exotic expert fabled fair faithful famous fancy fast festive fiery fine firm fit fleet flowing
fluent fluffy flying focused fond formal fortunate free frequent fresh friendly frosty fruity full
funny gallant generous gentle genuine giant gifted giving glad gleaming global glossy glowing
golden good graceful grand grassy grateful great green gritty grown happy hardy harmonic hasty
hazel healthy hearty helpful heroic high hilly honest hopeful humble humming icy ideal immense
inner ivory jaunty jazzy jolly jovial joyful jubilant keen kind kindly knowing large lasting
lavish leading leafy learned level light likable lilac limber liquid lively local lofty logical
loud lovely loyal lucid lucky lunar magic magnetic main major maple marble marine mellow merry
mighty mild mindful minty misty modern modest mossy moving musical mutual native natural neat new
nimble noble noted novel oaken oceanic olive open optimal orange orderly organic outer patient
peaceful peachy pearly peppy perky placid plain playful pleasant plucky polar polished polite
poetic popular precious prime prompt proper proud prudent pure quaint quick quiet quirky radiant
rapid rare ready real refined regal relaxed reliable rested rich rising robust rosy round royal
ruby rugged rustic saffron sage sandy satin savvy scarlet scenic secure sensible serene settled
sharp shining shiny silent silken silver simple sincere skilled sleek smart smiling smooth snappy
snowy snug sociable soft solar solid sonic sound spirited
"""
_NOUNS = """
acorn albatross almond anchor antelope apple apricot arbor archer armadillo aspen aurora avocado
badger bagel balloon bamboo banjo barley basil basin bay beacon beagle bear beaver beech beetle
bell berry birch bison blossom bluebird boat bobcat bonfire boulder bramble branch bridge brook
buffalo bumblebee bunny buoy butterfly cabin cactus camel canary candle canoe canyon caravan
cardinal caribou carrot cashew castle catfish cedar cello cheetah cherry chestnut chipmunk cider
citrus clarinet cliff clover cocoa coconut comet compass condor coral cottage cougar cove coyote
crane creek cricket crocus cypress daffodil daisy dandelion deer delta dingo dolphin donkey dove
dragonfly drum duckling dune eagle echo eclipse egret elk elm ember emu falcon feather fennel fern
ferret ferry fiddle fig finch firefly fjord flame flamingo flute forest fossil fountain fox
frigate frog galaxy garden garnet gazelle gecko geyser gibbon ginger giraffe glacier glade goose
gopher grape grotto grove guitar gull hamlet hammock hamster harbor hare harp hawk hazelnut heath
hedgehog heron hibiscus hickory hill honeybee horizon hornbill iguana inlet iris island ivy jackal
jaguar jasmine jay juniper kangaroo kayak kelp kestrel kettle kingfisher kite kitten kiwi koala
ladybug lagoon lake lantern lark lavender leaf lemon lemur lichen lighthouse lilac lily lime
linden lion lizard llama lobster lotus lynx lyre macaw magnolia magpie mallard mammoth manatee
mandolin mango maple marigold marlin marmot marsh meadow meerkat melon meteor mill mimosa minnow
mint mole mongoose moon moose moss moth mountain mulberry mushroom narwhal nebula nectar newt
nightjar nutmeg oak oasis oboe ocelot ocean octopus olive onion opal orca orchard orchid oriole
osprey otter owl oyster paddle palm panda panther papaya parrot parsley pasture peach peacock pear
pebble pecan pelican penguin peony pepper petal petunia pheasant piano pigeon pine planet plateau
plover plum pond pony poplar poppy porcupine prairie puffin puma pumpkin puppy quail quartz quince
rabbit raccoon raft rainbow raven redwood reed reef reindeer ridge river robin rocket rose
rosemary saffron sail salmon sandpiper sapling saxophone schooner seahorse seal sequoia shore
shrew skylark sloop snail sparrow spruce squirrel starfish stork stream sunrise swallow swan
tangerine tapir teapot thicket thistle thrush thyme tiger toucan trout tulip tundra turnip turtle
valley vanilla
"""
ADJECTIVES = tuple(_ADJECTIVES.split())
NOUNS = tuple(_NOUNS.split())


def freight_alias(name: str, attempt: int = 0) -> str:
    """Return ``<adjective>-<noun>`` for the Freight called `name`, the same on every machine.

    `attempt` counts the collisions so far: each number gives another pair, in a fixed order.
    """
    number = int.from_bytes(hashlib.sha256(name.encode()).digest())
    adjective = ADJECTIVES[(number + attempt) % len(ADJECTIVES)]
    noun = NOUNS[(number // len(ADJECTIVES) + attempt) % len(NOUNS)]
    return f"{adjective}-{noun}"
